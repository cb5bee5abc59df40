//go:build ignore

// default
package main

import "fmt"

func main() {
	ch := make(chan string)
	// #region show
	select {
	case text := <-ch:
		fmt.Println(text)
	default:
		fmt.Println("nothing yet")
	}
	// #endregion
}
