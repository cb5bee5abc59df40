//go:build ignore

// A nil channel switches a case off
package main

import "fmt"

func main() {
	of := func(values ...int) <-chan int {
		ch := make(chan int, len(values))
		for _, v := range values {
			ch <- v
		}
		close(ch)
		return ch
	}
	a, b, sum := of(1, 2), of(3, 4), 0
	// #region show
	for a != nil || b != nil {
		select {
		case v, ok := <-a:
			if !ok {
				a = nil
				continue
			}
			sum += v
		case v, ok := <-b:
			if !ok {
				b = nil
				continue
			}
			sum += v
		}
	}
	// #endregion
	fmt.Println("sum", sum)
}
