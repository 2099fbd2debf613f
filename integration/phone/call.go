package phone

import (
	"context"
	"regexp"
	"slices"

	"github.com/nullcard/nullcard/integration/stack"
)

var callIsUp = regexp.MustCompile(`(?i)state changed to CONFIRMED`)

// Call starts two containers of image, a callee that answers and a caller that
// calls it, and returns when the call is up at both ends.
func Call(ctx context.Context, s *stack.Stack, image string, options ...stack.Option) (caller, callee *stack.Container) {
	with := func(more ...stack.Option) []stack.Option {
		return slices.Concat([]stack.Option{stack.Hardened()}, options, more)
	}
	callee = s.Run(ctx, image, with(stack.Name("callee"), stack.Env("NULLCARD_AUTO_ANSWER", "200"))...)
	callee.WaitExec(ctx, stack.Cmd("nullcard", "health"))
	caller = s.Run(ctx, image, with(stack.Name("caller"), stack.Env("NULLCARD_DIAL", "sip:callee"))...)
	callee.WaitLog(ctx, callIsUp)
	caller.WaitLog(ctx, callIsUp)
	return caller, callee
}
