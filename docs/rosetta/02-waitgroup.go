//go:build ignore

// sync.WaitGroup
package main

import (
	"fmt"
	"sync"
)

func main() {
	// #region show
	squares := make([]int, 3)
	var wg sync.WaitGroup
	for i := range squares {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			squares[i] = i * i
		}(i)
	}
	wg.Wait()
	// #endregion
	fmt.Println(squares[0], squares[1], squares[2])
}
