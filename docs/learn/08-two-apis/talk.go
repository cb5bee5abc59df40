// Package twoapis is a transfer between two services: a reading of slide 20 of the talk.
package twoapis

import "context"

// Bank moves money; key names the transfer.
type Bank interface {
	Call(ctx context.Context, key string) error
	Undo(ctx context.Context, key string) error
}

// #region transfer
func transfer(ctx context.Context, debit, credit Bank) error {
	err := debit.Call(ctx, "t1:debit") //@ debit call
	if err == nil {
		err = credit.Call(ctx, "t1:credit") //@ credit call
	}
	if err != nil {
		_ = debit.Undo(ctx, "t1:debit") //@ debit undo
	}
	return err
}

// #endregion

// Transfer is the function.
var Transfer = transfer
