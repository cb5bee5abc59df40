// Package errgroup is a group of goroutines of which the first error cancels the others. It has the part of the interface of
// golang.org/x/sync/errgroup that the chapters need, so that their Go compiles without a download.
package errgroup

import (
	"context"
	"sync"
)

// Group is a set of goroutines that work on one thing.
type Group struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once
	err    error
}

// WithContext returns a group, and a context that ends with the first error of the group, and when all have ended.
func WithContext(ctx context.Context) (*Group, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	return &Group{cancel: cancel}, ctx
}

// Go runs a function in a goroutine of its own.
func (g *Group) Go(f func() error) {
	g.wg.Add(1)
	go func() {
		defer g.wg.Done()
		if err := f(); err != nil {
			g.once.Do(func() {
				g.err = err
				g.cancel()
			})
		}
	}()
}

// Wait waits until all have ended, and returns the first error.
func (g *Group) Wait() error {
	g.wg.Wait()
	g.cancel()
	return g.err
}
