//go:build ignore

// make(chan T)
package main

import "fmt"

func main() {
	// #region show
	unbuffered := make(chan string)
	buffered := make(chan string, 2)
	fmt.Println(cap(unbuffered), cap(buffered))
	// #endregion
}
