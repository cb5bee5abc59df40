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
		last, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond) //@ ack set
		defer cancel()
		if held != nil {
			_ = broker.Ack(last, *held) //@ ack sleep after set, ack checkpoint after set
		}
		select { //@ ack select after set
		case m := <-result:
			_ = broker.Ack(last, m) //@ ack sleep after set select, ack checkpoint after set select
		case <-last.Done():
		}
	}()
	for {
		select { //@ ack select
		case m := <-result:
			held = &m
			if err := broker.Ack(ackCtx, m); err != nil { //@ ack sleep, ack checkpoint
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
