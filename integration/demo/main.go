// Command demo places a real call between two containers that have no sound
// card, sends a voice one way and a tune the other way at the same time, and
// compares what was heard with what was sent.
//
// It exits 0 when both directions carried their sound, 1 when one did not, and
// 130 when it was interrupted. It leaves a picture and the sounds in out/, and
// no container.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nullcard/nullcard/integration/stack"
)

type options struct {
	image string
	tools string
	out   string
	mute  string
}

func main() {
	var o options
	flag.StringVar(&o.image, "image", "nullcard/app:dev", "the `image` that makes the call")
	flag.StringVar(&o.tools, "tools", "nullcard/testtools:dev", "the `image` with espeak-ng, which makes the voice")
	flag.StringVar(&o.out, "out", "out", "the `directory` for the picture and the sounds")
	flag.StringVar(&o.mute, "mute", "", "send silence from `caller` or callee instead: the verdict must notice")
	timeout := flag.Duration("timeout", time.Minute, "give up after this time")
	flag.Parse()
	if flag.NArg() > 0 || o.mute != "" && o.mute != "caller" && o.mute != "callee" {
		flag.Usage()
		os.Exit(64)
	}

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(interrupted, stop) // a second signal ends the program at once
	ctx, cancel := context.WithTimeoutCause(interrupted, *timeout, fmt.Errorf("the demo took longer than %v", *timeout))
	defer cancel()

	err := stack.Main(ctx, os.Stderr, func(t stack.TB) error { return demo(t, o) })
	switch {
	case err != nil && interrupted.Err() != nil:
		fmt.Fprintln(os.Stderr, "demo: interrupted; its containers are gone")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(t stack.TB, o options) error {
	begin := time.Now()
	directions := placeCall(t, o)
	lost := 0
	for i := range directions {
		d := &directions[i]
		d.judge()
		fmt.Println(d)
		if d.fault != nil {
			lost++
		}
	}
	if err := keep(o.out, directions); err != nil {
		return err
	}
	fmt.Printf("look at %s, listen to %s; it took %.0f s\n",
		filepath.Join(o.out, "demo.png"), filepath.Join(o.out, "demo-*.wav"), time.Since(begin).Seconds())
	if lost > 0 {
		return fmt.Errorf("%d of %d directions did not carry their sound", lost, len(directions))
	}
	return nil
}
