//go:build ignore

// semaphore.Weighted
package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

func main() {
	ctx := context.Background()
	run := func() error {
		// #region show
		memory := semaphore.NewWeighted(100)
		if err := memory.Acquire(ctx, 70); err != nil {
			return err
		}
		full := memory.TryAcquire(50)
		memory.Release(70)
		free := memory.TryAcquire(50)
		// #endregion
		fmt.Println(full, free)
		return nil
	}
	if err := run(); err != nil {
		panic(err)
	}
}
