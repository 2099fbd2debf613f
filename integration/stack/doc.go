// Package stack is the small language that the test suite and the demo speak
// with Docker: containers on a private network, commands inside them, waiting
// for what they do. Test tooling; never part of the shipped binary.
//
//	s := stack.New(t)
//	callee := s.Run(ctx, "nullcard/app:dev", stack.Name("callee"), stack.Hardened(),
//		stack.Env("NULLCARD_AUTO_ANSWER", "200"))
//	callee.WaitHealthy(ctx)
//	recording := callee.Spawn(ctx, stack.Cmd("nullcard", "record", "--duration", "5s", "-"))
//	caller := s.Run(ctx, "nullcard/app:dev", stack.Hardened(),
//		stack.Env("NULLCARD_DIAL", "sip:callee"))
//	caller.MustExec(ctx, stack.Cmd("nullcard", "play", "-"), stack.Stdin(speech))
//	heard := recording.Wait(ctx).Stdout
//	exit := callee.Stop(ctx, syscall.SIGTERM)
//
// What cannot work (a container that dies while something is waited for, an
// image that is not there) ends the test with Fatalf and says why, with the
// end of the container's log; what a test may want to judge (an exit code, an
// output) is returned. A program that is no test gets the same through Main.
//
// Nothing depends on the daemon being on this machine: no bind mounts, no
// published ports. Containers are made through dockertest's client rather than
// its Run, which pulls, publishes all ports, overrides the image's stop signal
// and starts a container before files can be put into it.
package stack
