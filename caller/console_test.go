package caller

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// talk lets a fake pjsua answer the console's commands.
func talk(t *testing.T, c *console, respond func(command string) []string) {
	t.Helper()
	in, out := io.Pipe()
	if err := c.attach(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			for _, l := range respond(lines.Text()) {
				c.take([]byte(l))
			}
			if strings.HasPrefix(lines.Text(), "echo "+mark) {
				c.take([]byte(">>> " + lines.Text()))
			}
		}
	}()
	t.Cleanup(func() {
		out.Close()
		<-done
	})
}

func TestConsoleGivesEachCommandItsAnswer(t *testing.T) {
	c := newConsole()
	talk(t, c, func(command string) []string { return []string{"answer to " + command} })
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			command := fmt.Sprintf("command %d", i)
			a, err := c.ask(t.Context(), command)
			if err != nil {
				t.Error(err)
				return
			}
			if !a.has("answer to "+command) || a.has(fmt.Sprintf("answer to command %d", i+1)) {
				t.Errorf("%s was answered with %q", command, a.lines)
			}
		})
	}
	wg.Wait()
}

func TestConsoleOfAHungPjsua(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole()
		if _, err := c.ask(t.Context(), "x"); !errors.Is(err, ErrNotRunning) {
			t.Errorf("asked nobody: %v", err)
		}
		if err := c.attach(t.Context(), io.Discard); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ask(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("a console that says nothing: %v", err)
		}
		// What was given up must not block the next, nor its mark pass for it.
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		go cancel(why)
		if _, err := c.ask(ctx, "y"); !errors.Is(err, why) {
			t.Errorf("a cancelled command: %v", err)
		}
	})
}

func TestConsoleCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var deaf atomic.Bool
		c := newConsole()
		in, out := io.Pipe()
		if err := c.attach(t.Context(), out); err != nil {
			t.Fatal(err)
		}
		go func() {
			lines := bufio.NewScanner(in)
			for lines.Scan() {
				if strings.HasPrefix(lines.Text(), "echo "+mark) && !deaf.Load() {
					asked.Add(1)
					c.take([]byte(">>> " + lines.Text()))
				}
			}
		}()
		defer out.Close()
		check := func(d time.Duration) error {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
				if err := c.check(t.Context()); err != nil {
					return err
				}
			}
			return nil
		}
		if err := check(time.Minute); err != nil || asked.Load() < 4 || asked.Load() > 6 {
			t.Errorf("asked %d times in a minute: %v", asked.Load(), err)
		}
		deaf.Store(true)
		if err := check(hungAfter - 20*time.Second); err != nil {
			t.Errorf("too early: %v", err)
		}
		if err := check(30 * time.Second); err == nil || !strings.Contains(err.Error(), "hangs") {
			t.Errorf("a console that is deaf for %v: %v", hungAfter, err)
		}
		deaf.Store(false)
		if err := c.check(t.Context()); err != nil {
			t.Errorf("a console that answers again: %v", err)
		}
	})
}

// A mark is random: nothing that comes from the network can pass for it.
func TestMarks(t *testing.T) {
	c := newConsole()
	talk(t, c, func(command string) []string {
		if command == "x" {
			return []string{"echo " + mark + "AAAA", ">>> echo " + mark + "BBBB", "late"}
		}
		return nil
	})
	a, err := c.ask(t.Context(), "x")
	if err != nil || !a.has("late") {
		t.Errorf("answer %q, %v", a.lines, err)
	}
	if !c.take([]byte("Make call: >>> echo "+mark+"CCCC")) || c.take([]byte("echo of something else")) {
		t.Error("a stale mark is not known as one")
	}
}

func TestSendLaterWaitsForTheConsole(t *testing.T) {
	c := newConsole()
	if err := c.sendLater(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	var in strings.Builder
	if err := c.attach(t.Context(), &in); err != nil || in.String() != "q\n" {
		t.Errorf("the console got %q, %v; want q", in.String(), err)
	}
}

func TestCheckURI(t *testing.T) {
	for _, uri := range []string{"sip:a@b", "sips:a@b", `"A B" <sip:a@b>`, "<sip:a@b>", "sip:a@b;transport=tcp"} {
		if err := checkURI(uri); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
	for _, uri := range []string{"", "q", "1", "-1", "a@b", "tel:1", "sip:a\nq", "sip:a\x00", "sip:" + strings.Repeat("a", 123)} {
		if err := checkURI(uri); err == nil {
			t.Errorf("%q: no error", uri)
		}
	}
}

func TestReadScreen(t *testing.T) {
	s, ok := readScreen([]string{">>> ", ">>>>", "You have 2 active calls", `Current call id=7 to "A [x]" <sip:a@b> [EARLY]`})
	if want := (screen{2, 7, `"A [x]" <sip:a@b>`, "EARLY"}); !ok || s != want {
		t.Errorf("got %+v, %v; want %+v", s, ok, want)
	}
	if s, ok := readScreen([]string{"You have 0 active call"}); !ok || s.current != NoCall {
		t.Errorf("got %+v, %v; want no call", s, ok)
	}
	if _, ok := readScreen([]string{"nothing"}); ok {
		t.Error("understood nothing")
	}
}
