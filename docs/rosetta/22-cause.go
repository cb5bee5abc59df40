//go:build go1.20

// WithCancelCause, Cause
package main

import (
	"context"
	"errors"
	"fmt"
)

func main() {
	// #region show
	ctx, cancel := context.WithCancelCause(
		context.Background())
	cancel(errors.New("disk full"))
	fmt.Println(context.Cause(ctx))
	// #endregion
}
