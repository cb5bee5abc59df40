//go:build ignore

// errors.Is(err, context.Canceled)
package main

import (
	"context"
	"errors"
	"fmt"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	work := func(ctx context.Context) error { return ctx.Err() }
	run := func() error {
		// #region show
		err := work(ctx)
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		fmt.Println("cancelled:", err != nil)
		// #endregion
		return nil
	}
	if err := run(); err != nil {
		panic(err)
	}
}
