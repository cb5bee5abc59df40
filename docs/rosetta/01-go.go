//go:build ignore

// The go statement
package main

import "fmt"

func main() {
	// #region show
	done := make(chan string)
	go func() { done <- "hello from a task" }()
	fmt.Println(<-done)
	// #endregion
}
