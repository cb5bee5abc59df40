//go:build ignore

// Send and receive
package main

import "fmt"

func main() {
	// #region show
	ch := make(chan string)
	go func() { ch <- "ping" }()
	message := <-ch
	fmt.Println(message)
	// #endregion
}
