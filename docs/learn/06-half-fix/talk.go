// Package halffix is the last goroutine of the worker with the usual repair: a reading of slide 23 of the talk.
package halffix

import (
	"context"
	"time"
)

// Message is a message of a broker.
type Message string

// Broker takes acks.
type Broker interface {
	Ack(ctx context.Context, m Message) error
}

// #region ack
func ack(ackCtx context.Context, broker Broker, result <-chan Message) error {
	var held *Message // the message whose ack is under way
	defer func() {
		last, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if held != nil {
			_ = broker.Ack(last, *held)
		}
		select {
		case m := <-result:
			_ = broker.Ack(last, m)
		case <-last.Done():
		}
	}()
	for {
		select {
		case m := <-result:
			held = &m
			if err := broker.Ack(ackCtx, m); err != nil {
				return err
			}
			held = nil
		case <-ackCtx.Done():
			return nil
		}
	}
}

// #endregion

// Ack is the goroutine.
var Ack = ack
