//go:build ignore

// WithCancel, defer cancel()
package main

import (
	"context"
	"fmt"
)

func main() {
	parent := context.Background()
	// #region show
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	go cancel()
	<-ctx.Done()
	fmt.Println("ended:", ctx.Err() != nil)
	// #endregion
}
