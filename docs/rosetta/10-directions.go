//go:build ignore

// chan<- T and <-chan T
package main

import "fmt"

func main() {
	// #region show
	produce := func(out chan<- int) {
		out <- 1
		out <- 2
		close(out)
	}
	consume := func(in <-chan int) {
		fmt.Println(<-in, <-in)
	}
	ch := make(chan int)
	go produce(ch)
	consume(ch)
	// #endregion
}
