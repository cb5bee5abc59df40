//go:build ignore

// WithValue, Value
package main

import (
	"context"
	"fmt"
)

func main() {
	parent := context.Background()
	// #region show
	type key struct{}
	ctx := context.WithValue(parent, key{}, "ada")
	user, _ := ctx.Value(key{}).(string)
	fmt.Println(user)
	// #endregion
}
