//go:build ignore

// WithTimeout
package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func main() {
	work := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	parent := context.Background()
	// #region show
	ctx, cancel := context.WithTimeout(
		parent, 5*time.Millisecond)
	defer cancel()
	err := work(ctx)
	late := errors.Is(err, context.DeadlineExceeded)
	fmt.Println("too late:", late)
	// #endregion
}
