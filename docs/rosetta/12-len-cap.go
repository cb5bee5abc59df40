//go:build ignore

// len(ch), cap(ch)
package main

import "fmt"

func main() {
	// #region show
	ch := make(chan string, 2)
	ch <- "a"
	fmt.Println(len(ch), cap(ch))
	// #endregion
}
