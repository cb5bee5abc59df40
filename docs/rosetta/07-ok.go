//go:build ignore

// v, ok := <-ch
package main

import "fmt"

func main() {
	// #region show
	ch := make(chan string, 1)
	ch <- "last"
	close(ch)
	v, ok := <-ch
	_, more := <-ch
	fmt.Println(v, ok, more)
	// #endregion
}
