//go:build go1.21

// WithoutCancel
package main

import (
	"context"
	"fmt"
	"time"
)

func main() {
	type key struct{}
	request, leave := context.WithCancel(context.WithValue(context.Background(), key{}, "ada"))
	write := func(ctx context.Context) {
		if ctx.Err() == nil {
			fmt.Println(ctx.Value(key{}), "has left")
		}
	}
	// #region show
	leave() // the client closes the connection
	ctx, cancel := context.WithTimeout(
		context.WithoutCancel(request), time.Second)
	defer cancel()
	write(ctx)
	// #endregion
}
