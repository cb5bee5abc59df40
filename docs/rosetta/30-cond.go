//go:build ignore

// sync.Cond
package main

import (
	"fmt"
	"sync"
)

func main() {
	ready := false
	// #region show
	var mu sync.Mutex
	changed := sync.NewCond(&mu)
	go func() {
		mu.Lock()
		defer mu.Unlock()
		ready = true
		changed.Broadcast()
	}()
	mu.Lock()
	for !ready {
		changed.Wait()
	}
	mu.Unlock()
	// #endregion
	fmt.Println("ready")
}
