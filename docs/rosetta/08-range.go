//go:build ignore

// range over a channel
package main

import "fmt"

func main() {
	// #region show
	ch := make(chan int)
	go func() {
		defer close(ch)
		for _, n := range []int{1, 2, 3} {
			ch <- n
		}
	}()
	sum := 0
	for n := range ch {
		sum += n
	}
	// #endregion
	fmt.Println("sum", sum)
}
