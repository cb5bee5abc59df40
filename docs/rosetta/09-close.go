//go:build ignore

// close releases all that wait
package main

import (
	"fmt"
	"sync"
)

func main() {
	var mu sync.Mutex
	var wg sync.WaitGroup
	started := 0
	// #region show
	start := make(chan struct{})
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-start
			mu.Lock()
			started++
			mu.Unlock()
		}()
	}
	close(start)
	// #endregion
	wg.Wait()
	fmt.Println(started, "have started")
}
