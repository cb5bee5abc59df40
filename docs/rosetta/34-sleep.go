//go:build ignore

// time.Sleep
package main

import (
	"context"
	"fmt"
	"time"
)

func main() {
	ctx := context.Background()
	run := func() error {
		// #region show
		select {
		case <-time.After(time.Millisecond):
			fmt.Println("awake")
		case <-ctx.Done():
			return ctx.Err()
		}
		// #endregion
		return nil
	}
	if err := run(); err != nil {
		panic(err)
	}
}
