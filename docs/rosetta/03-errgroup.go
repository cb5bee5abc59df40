//go:build ignore

// errgroup.WithContext
package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

func main() {
	// #region show
	group, ctx := errgroup.WithContext(
		context.Background())
	group.Go(func() error {
		return errors.New("page 2 is gone")
	})
	group.Go(func() error {
		<-ctx.Done() // so this one stops
		return ctx.Err()
	})
	err := group.Wait()
	// #endregion
	fmt.Println(err)
}
