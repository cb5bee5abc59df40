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
	// #region show
	select {
	case <-time.After(time.Millisecond):
		fmt.Println("awake")
	case <-ctx.Done():
	}
	// #endregion
}
