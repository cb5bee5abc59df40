//go:build ignore

// default, receiving and sending
package main

import "fmt"

func main() {
	mails, out := make(chan string), make(chan int)
	// #region show
	said := "neither"
	select {
	case text := <-mails:
		said = text
	case out <- 42:
		said = "sent"
	default:
	}
	full := false
	select {
	case out <- 43:
	default:
		full = true
	}
	// #endregion
	fmt.Println(said+", full:", full)
}
