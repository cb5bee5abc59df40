//go:build ignore

// signal.NotifyContext
package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"
)

func main() {
	// #region show
	ctx, stop := signal.NotifyContext(
		context.Background(), syscall.SIGTERM)
	defer stop()
	// #endregion
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		panic(err)
	}
	<-ctx.Done()
	fmt.Println("stopping")
}
