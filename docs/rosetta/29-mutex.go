//go:build ignore

// sync.Mutex, defer Unlock
package main

import (
	"fmt"
	"sync"
	"time"
)

func main() {
	balance := 10
	var wg sync.WaitGroup
	pause := func() { time.Sleep(time.Millisecond) }
	// #region show
	var mu sync.Mutex
	withdraw := func(amount int) {
		mu.Lock()
		defer mu.Unlock()
		seen := balance
		pause()
		balance = seen - amount
	}
	// #endregion
	for _, amount := range []int{3, 4} {
		wg.Add(1)
		go func(amount int) {
			defer wg.Done()
			withdraw(amount)
		}(amount)
	}
	wg.Wait()
	fmt.Println(balance, "left")
}
