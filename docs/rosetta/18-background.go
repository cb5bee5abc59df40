//go:build ignore

// Background, TODO, and ctx as the first parameter
package main

import (
	"context"
	"fmt"
)

func main() {
	// #region show
	load := func(ctx context.Context, id int) (string, error) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		return fmt.Sprint("user ", id), nil
	}
	user, _ := load(context.Background(), 7)
	fmt.Println(user)
	// #endregion
}
