//go:build ignore

// Background, TODO, and ctx as the first parameter
package main

import (
	"context"
	"fmt"
	"time"
)

func main() {
	run := func() error {
		// #region show
		load := func(ctx context.Context, id int) (string, error) {
			select {
			case <-time.After(time.Millisecond):
				return fmt.Sprint("user ", id), nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		user, err := load(context.Background(), 7)
		if err != nil {
			return err
		}
		friend, err := load(context.TODO(), 8)
		// #endregion
		fmt.Println(user+",", friend)
		return err
	}
	if err := run(); err != nil {
		panic(err)
	}
}
