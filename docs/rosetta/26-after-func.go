//go:build go1.21

// AfterFunc
package main

import (
	"context"
	"fmt"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	// #region show
	closed := make(chan string, 1)
	stop := context.AfterFunc(ctx, func() {
		closed <- "closed"
	})
	defer stop() // prevents the run, if ctx has not ended
	cancel()
	fmt.Println(<-closed)
	// #endregion
}
