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
	// #region show
	err := work(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		panic(err)
	}
	fmt.Println("cancelled:", err != nil)
	// #endregion
}
