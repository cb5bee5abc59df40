//go:build go1.21

// AfterFunc
package main

import (
	"context"
	"fmt"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	closed := make(chan string)
	// #region show
	stop := context.AfterFunc(ctx, func() {
		closed <- "closed"
	})
	defer stop() // if ctx lasts, it does not run
	cancel()
	// #endregion
	fmt.Println(<-closed)
}
