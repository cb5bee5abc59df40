//go:build ignore

// time.Ticker
package main

import (
	"fmt"
	"time"
)

func main() {
	ticks := 0
	// #region show
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for range ticker.C {
		if ticks++; ticks == 3 {
			break
		}
	}
	// #endregion
	fmt.Println(ticks, "ticks")
}
