//go:build ignore

// select, receiving
package main

import "fmt"

func main() {
	mails, calls := make(chan string, 1), make(chan string)
	mails <- "hello"
	// #region show
	select {
	case text := <-mails:
		fmt.Println("mail:", text)
	case who := <-calls:
		fmt.Println("call:", who)
	}
	// #endregion
}
