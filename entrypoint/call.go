package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/nullcard/nullcard/caller"
	"github.com/nullcard/nullcard/control"
)

const callUsage = `Usage: nullcard call VERB [FLAG…] [ARG…]

  dial [--wait] URI      call URI; with --wait until the call has ended
  answer [--code 200] [ID]
  hangup [ID]
  hold [ID]
  resume [ID]
  transfer [ID] URI
  dtmf [--method rfc2833|info] [ID] DIGITS
  quality [ID]           loss, jitter, round trip, codec and estimated MOS
  list

Flags of all: --caller NAME (where there are several), --json. ID can be left
out where there is one call. ` + "`dial --wait`" + ` ends with 0 when the call was answered
and hung up, 10 busy, 11 declined, 12 not found, 13 no answer, 14 not
authorised, 15 a server's failure, 16 refused otherwise, 69 not possible.
`

var callCommand = command{
	name:    "call",
	summary: "dial, answer, hang up, hold, transfer, send DTMF, list and measure calls",
	run: func(ctx context.Context, args []string, std stdio) error {
		if len(args) == 0 {
			fmt.Fprint(std.err, callUsage)
			return errUsage
		}
		verbs := map[string]func(context.Context, *callArgs) error{
			"dial": dial, "list": listCalls, "quality": quality,
			"answer": act, "hangup": act, "hold": act, "resume": act, "transfer": act, "dtmf": act,
		}
		verb := args[0]
		run, ok := verbs[verb]
		switch {
		case verb == "-h" || verb == "--help":
			fmt.Fprint(std.out, callUsage)
			return nil
		case !ok:
			fmt.Fprintf(std.err, "nullcard call: there is no verb %q\n%s", verb, callUsage)
			return errUsage
		}
		a := &callArgs{verb: verb, std: std, client: control.NewClient(controlSocket(runtimeDir()))}
		f := newFlags("call "+verb, "[FLAG…] [ARG…]", std)
		a.register(f)
		if err := parseFlags(f, args[1:]); err != nil {
			return err
		}
		a.rest = f.Args()
		return run(ctx, a)
	},
}

// callArgs is a parsed command line of call.
type callArgs struct {
	verb   string
	std    stdio
	client *control.Client

	caller string
	json   bool
	wait   bool
	code   int
	method string
	rest   []string
}

func (a *callArgs) register(f *flag.FlagSet) {
	f.StringVar(&a.caller, "caller", "", "`name` of the caller")
	f.BoolVar(&a.json, "json", false, "print JSON")
	switch a.verb {
	case "dial":
		f.BoolVar(&a.wait, "wait", false, "wait for the end of the call; its exit code tells how it went")
	case "answer":
		f.IntVar(&a.code, "code", 200, "SIP status `code` to answer with")
	case "dtmf":
		f.StringVar(&a.method, "method", caller.DTMFEvent, "`way` to send digits: rfc2833 or info")
	}
}

func (a *callArgs) usage(what string) error {
	return exitError{exitUsage, fmt.Errorf("%s: %s; `nullcard call -h` tells more", a.verb, what)}
}

// print writes v as JSON if that was asked for, else text.
func (a *callArgs) print(v any, text string) error {
	if a.json {
		return json.NewEncoder(a.std.out).Encode(v)
	}
	_, err := fmt.Fprintln(a.std.out, text)
	return err
}

// lists returns the calls of the caller that is meant, or of all.
func (a *callArgs) lists(ctx context.Context) ([]control.CallList, error) {
	lists, err := a.client.Calls(ctx)
	if err != nil || a.caller == "" {
		return lists, err
	}
	i := slices.IndexFunc(lists, func(l control.CallList) bool { return l.Caller == a.caller })
	if i < 0 {
		return nil, fmt.Errorf("there is no caller %q: there are %s", a.caller, callerNames(lists))
	}
	return lists[i : i+1], nil
}

func callerNames(lists []control.CallList) string {
	if len(lists) == 0 {
		return "none"
	}
	names := make([]string, len(lists))
	for i, l := range lists {
		names[i] = l.Caller
	}
	return strings.Join(names, ", ")
}

// one returns the caller that is meant, with its calls.
func (a *callArgs) one(ctx context.Context) (control.CallList, error) {
	lists, err := a.lists(ctx)
	switch {
	case err != nil:
		return control.CallList{}, err
	case len(lists) == 0:
		return control.CallList{}, errors.New("there is no caller here; configure one under callers")
	case len(lists) > 1:
		return control.CallList{}, fmt.Errorf("there are several callers: name one of %s with --caller", callerNames(lists))
	}
	return lists[0], nil
}

// call returns the caller and the number of the call that is meant; wanted is
// how many other arguments there are to be.
func (a *callArgs) call(ctx context.Context, wanted int) (name string, id int, err error) {
	var list control.CallList
	switch len(a.rest) - wanted {
	case 0:
		if list, err = a.one(ctx); err != nil {
			return "", 0, err
		}
		if err := unknownCalls(list); err != nil {
			return "", 0, err
		}
		if len(list.Calls) != 1 {
			return "", 0, fmt.Errorf("%s has %d calls; name one (`nullcard call list` lists them)", list.Caller, len(list.Calls))
		}
		return list.Caller, list.Calls[0].ID, nil
	case 1:
		if id, err = strconv.Atoi(a.rest[0]); err != nil {
			return "", 0, a.usage(fmt.Sprintf("%q is not the number of a call", a.rest[0]))
		}
		a.rest = a.rest[1:]
		list, err = a.one(ctx)
		return list.Caller, id, err
	}
	return "", 0, a.usage("that is not the right number of arguments")
}

// act is every verb that only succeeds or fails.
func act(ctx context.Context, a *callArgs) error {
	wanted := 0
	if a.verb == "transfer" || a.verb == "dtmf" {
		wanted = 1
	}
	name, id, err := a.call(ctx, wanted)
	if err != nil {
		return err
	}
	var q control.CallRequest
	switch a.verb {
	case "hangup":
		return a.client.Hangup(ctx, name, id)
	case "answer":
		q.Code = a.code
	case "transfer":
		q.URI = a.rest[0]
	case "dtmf":
		q.Digits, q.Method = a.rest[0], a.method
	}
	return a.client.Call(ctx, name, id, a.verb, q)
}

// dial calls, and with --wait follows the call to its end. Interrupted while
// it waits, it hangs up.
func dial(ctx context.Context, a *callArgs) error {
	if len(a.rest) != 1 {
		return a.usage("give one URI")
	}
	list, err := a.one(ctx)
	if err != nil {
		return err
	}
	// From here on an interrupt must not leave a call behind that nobody follows.
	interrupted, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	call, err := a.client.Dial(ctx, list.Caller, a.rest[0])
	if err != nil {
		return exitError{caller.ExitUnavailable, err}
	}
	if !a.wait {
		return a.print(call, fmt.Sprintf("call %d to %s", call.ID, call.Peer))
	}
	end, err := a.client.WaitEnd(interrupted, list.Caller, call.ID)
	if interrupted.Err() != nil && ctx.Err() == nil {
		if err := a.client.Hangup(ctx, list.Caller, call.ID); err != nil && !strings.Contains(err.Error(), caller.ErrNoCall.Error()) {
			return err
		}
		end, err = a.client.WaitEnd(ctx, list.Caller, call.ID)
	}
	if err != nil {
		return exitError{caller.ExitUnavailable, err}
	}
	text := fmt.Sprintf("call %d to %s ended after %v: %d %s", end.ID, end.Peer, end.Duration, end.Code, end.Reason)
	if end.Cause != "" {
		text += fmt.Sprintf(" (%s; %s)", end.Cause, end.Cure)
	}
	if err := a.print(end, text); err != nil {
		return err
	}
	if code := end.ExitCode(); code != 0 {
		return exitError{code, reported{errors.New(text)}}
	}
	return nil
}

func listCalls(ctx context.Context, a *callArgs) error {
	if len(a.rest) != 0 {
		return a.usage("it takes no arguments")
	}
	lists, err := a.lists(ctx)
	if err != nil {
		return err
	}
	var unknown error
	for _, l := range lists {
		unknown = errors.Join(unknown, unknownCalls(l))
	}
	if a.json {
		return errors.Join(json.NewEncoder(a.std.out).Encode(lists), unknown)
	}
	w := tabwriter.NewWriter(a.std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CALLER\tCALL\tSTATE\tFOR\tPEER")
	for _, l := range lists {
		for _, c := range l.Calls {
			fmt.Fprintf(w, "%s\t%d\t%s\t%v\t%s\n", l.Caller, c.ID, c.State, time.Since(c.Since).Round(time.Second), c.Peer)
		}
	}
	return errors.Join(w.Flush(), unknown)
}

// unknownCalls is the error of a caller whose calls are not known.
func unknownCalls(l control.CallList) error {
	if l.Error == "" {
		return nil
	}
	return fmt.Errorf("caller %s: %s", l.Caller, l.Error)
}

func quality(ctx context.Context, a *callArgs) error {
	name, id, err := a.call(ctx, 0)
	if err != nil {
		return err
	}
	q, err := a.client.Quality(ctx, name, id)
	if err != nil {
		return err
	}
	return a.print(q, fmt.Sprintf("call %d: %s %d Hz, received %d packets, lost %d, late %d, jitter %.1f ms, round trip %.1f ms, MOS %.2f (estimated)",
		q.Call, q.Codec, q.Rate, q.Received.Packets, q.Received.Lost, q.Received.Discarded, q.Received.Jitter, q.RoundTrip, q.MOS))
}
