// Package sigterm is a worker of three goroutines: a reading of slides 18 and 19 of the talk.
package sigterm

import (
	"context"

	"headgate/learn/errgroup"
)

// Message is a message of a broker.
type Message string

// Broker hands out messages, and takes their acks.
type Broker interface {
	Pull(ctx context.Context) (Message, error)
	Ack(ctx context.Context, m Message) error
}

// #region worker
func firstVersion(ctx context.Context, broker Broker, work func(Message)) error {
	group, ctx := errgroup.WithContext(ctx)
	handleCtx, pullDone := context.WithCancel(context.Background())
	ackCtx, handleDone := context.WithCancel(context.Background())
	msgs := make(chan Message)
	result := make(chan Message)

	group.Go(func() error { // pull
		defer pullDone() //@ pull cancel
		for {
			m, err := broker.Pull(ctx) //@ pull select
			if err != nil {
				return err
			}
			select { //@ pull send
			case msgs <- m:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})

	group.Go(func() error { // handle
		defer handleDone() //@ handle cancel
		for {
			select { //@ handle recv
			case m := <-msgs:
				work(m)  //@ handle sleep
				select { //@ handle send
				case result <- m:
				case <-handleCtx.Done():
					return handleCtx.Err()
				}
			case <-handleCtx.Done():
				return handleCtx.Err()
			}
		}
	})

	group.Go(func() error { // ack
		for {
			select { //@ ack select
			case m := <-result:
				if err := broker.Ack(ackCtx, m); err != nil { //@ ack sleep, ack checkpoint
					return err
				}
			case <-ackCtx.Done():
				return nil
			}
		}
	})

	return group.Wait() //@ main group.wait
}

// #endregion

// FirstVersion is the worker.
var FirstVersion = firstVersion
