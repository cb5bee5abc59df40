package main

// The composition: a worker in three stages over channels, pull → handle → ack, and a broker in memory that leases its messages. It
// has the numbers of headgate's worker: batches of 100, 100 handlers, and 100 messages ready for them. Each message has a context, and
// each call of the broker has a timeout. It has neither retries, nor a drain with deadlines, nor an account of every message.

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

func init() {
	add("worker", messagesASecond(200_000))
}

const (
	batchSize   = 100
	concurrency = 100
	most        = 2 * concurrency
	callTimeout = 30 * time.Second
	leaseTime   = 30 * time.Second
)

type message struct {
	id, body, attempt int
	until             time.Time
}

// A broker has messages that are ready, and those that are leased.
type broker struct {
	mu     sync.Mutex
	ready  []*message
	leased map[int]*message
}

func newBroker(n int) *broker {
	b := &broker{leased: make(map[int]*message)}
	for i := 0; i < n; i++ {
		b.ready = append(b.ready, &message{id: i, body: i})
	}
	return b
}

func (b *broker) pull(ctx context.Context, most int) ([]*message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if most > len(b.ready) {
		most = len(b.ready)
	}
	until := time.Now().Add(leaseTime)
	batch := b.ready[:most:most]
	b.ready = b.ready[most:]
	for _, m := range batch {
		m.attempt++
		m.until = until
		b.leased[m.id] = m
	}
	return batch, nil
}

func (b *broker) ack(ctx context.Context, batch []*message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range batch {
		delete(b.leased, m.id)
	}
	return nil
}

type handler func(ctx context.Context, m *message) error

// work returns when the broker has no more messages and all are acked.
func work(ctx context.Context, b *broker, handle handler) error {
	group, ctx := errgroup.WithContext(ctx)
	// A message that is held has a place in held; the channels between the stages have room for all of them.
	held := make(chan struct{}, most)
	messages, results := make(chan *message, most), make(chan *message, most)
	group.Go(func() error {
		defer close(messages)
		return pullAll(ctx, b, held, messages)
	})
	var handlers sync.WaitGroup
	handlers.Add(concurrency)
	for i := 0; i < concurrency; i++ {
		group.Go(func() error {
			defer handlers.Done()
			return handleAll(ctx, handle, messages, results)
		})
	}
	group.Go(func() error {
		handlers.Wait()
		close(results)
		return nil
	})
	group.Go(func() error { return ackAll(ctx, b, held, results) })
	return group.Wait()
}

func pullAll(ctx context.Context, b *broker, held chan struct{}, messages chan<- *message) error {
	for {
		// At least one place, and as many as are free beyond it.
		select {
		case held <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		room := 1
		for ; room < batchSize && len(held) < cap(held); room++ {
			held <- struct{}{}
		}
		call, cancel := context.WithTimeout(ctx, callTimeout)
		batch, err := b.pull(call, room)
		cancel()
		if err != nil || len(batch) == 0 {
			return err
		}
		for ; room > len(batch); room-- {
			<-held
		}
		for _, m := range batch {
			messages <- m
		}
	}
}

func handleAll(ctx context.Context, handle handler, messages <-chan *message, results chan<- *message) error {
	for m := range messages {
		handling, cancel := context.WithCancel(ctx)
		err := handle(handling, m)
		cancel()
		if err != nil {
			return err
		}
		results <- m
	}
	return nil
}

func ackAll(ctx context.Context, b *broker, held <-chan struct{}, results <-chan *message) error {
	for first := range results {
		batch := rest([]*message{first}, results)
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := b.ack(call, batch)
		cancel()
		if err != nil {
			return err
		}
		for range batch {
			<-held
		}
	}
	return nil
}

// rest adds to a batch what is there already.
func rest(batch []*message, results <-chan *message) []*message {
	for len(batch) < batchSize {
		select {
		case m, ok := <-results:
			if !ok {
				return batch
			}
			batch = append(batch, m)
		default:
			return batch
		}
	}
	return batch
}

func messagesASecond(n int) func(int) result {
	return func(int) result {
		b := newBroker(n)
		begun := time.Now()
		check(work(context.Background(), b, func(context.Context, *message) error { return nil }))
		took := time.Since(begun)
		if len(b.ready)+len(b.leased) > 0 {
			panic("some messages were not acked")
		}
		return result{"rate": float64(n) / took.Seconds()}
	}
}
