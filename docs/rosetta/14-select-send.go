//go:build ignore

// select, sending
package main

import (
	"context"
	"fmt"
)

func main() {
	out := make(chan int, 1)
	ctx := context.Background()
	// #region show
	select {
	case out <- 42:
		fmt.Println("sent")
	case <-ctx.Done():
		fmt.Println("stopped")
	}
	// #endregion
}
