//go:build ignore

// WithDeadline and Deadline()
package main

import (
	"context"
	"fmt"
	"time"
)

func main() {
	// #region show
	at := time.Now().Add(time.Minute)
	ctx, cancel := context.WithDeadline(
		context.Background(), at)
	defer cancel()
	child, cancelChild := context.WithTimeout(ctx, time.Hour)
	defer cancelChild()
	deadline, _ := child.Deadline()
	cut := deadline.Equal(at)
	// #endregion
	fmt.Println("an hour is cut to a minute:", cut)
}
