package caller

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// As pjsua 2.17 wrote it for `dq`.
const qualityRecording = `  [CONFIRMED] To: sip:bob@127.0.0.1;tag=7461fd81` + "\r" + `
    Call time: 00h:01m:02s, 1st res in 12 ms, conn in 12ms
    #0 audio PCMU @8kHz, sendrecv, peer=192.0.2.2:14010
       SRTP status: Not active Crypto-suite: 
       RX pt=0, last update:00h:00m:00.700s ago
          total 1.2Kpkt 3.2KB (5.1KB +IP hdr) @avg=28.1Kbps/44.1Kbps
          pkt loss=12 (1.0%), discrd=3 (0.2%), dup=1 (0.1%), reord=2 (0.2%)
                (msec)    min     avg     max     last    dev
          loss period:   0.000  20.000  40.000   0.000   0.000
          jitter     :   0.000   0.172   0.312   0.250   0.079
       TX pt=0, ptime=20, last update:00h:00m:00.707s ago
          total 47pkt 3.2KB (5.1KB +IP hdr) @avg=28.1Kbps/44.1Kbps
          pkt loss=4 (8.5%), dup=0 (0.0%), reorder=5 (10.6%)
                (msec)    min     avg     max     last    dev 
          loss period:   0.000   0.000   0.000   0.000   0.000
          jitter     :   0.000   1.500   2.500   0.000   0.000
       RTT msec      :   0.106  40.500  50.000   0.106   0.021
`

func TestParseQuality(t *testing.T) {
	q, ok := parseQuality(strings.Split(qualityRecording, "\n"))
	mos := q.MOS
	q.MOS = 0
	want := Quality{
		Peer: "sip:bob@127.0.0.1;tag=7461fd81", Duration: 62 * time.Second, Codec: "PCMU", Rate: 8000, Direction: "sendrecv",
		Received:  Stream{Packets: 1200, Lost: 12, Discarded: 3, Duplicated: 1, Reordered: 2, Jitter: 0.172, JitterMax: 0.312},
		Sent:      Stream{Packets: 47, Lost: 4, Reordered: 5, Jitter: 1.5, JitterMax: 2.5},
		RoundTrip: 40.5,
	}
	if !ok || q != want {
		t.Errorf("got %+v, %v\nwant %+v", q, ok, want)
	}
	// 15 of 1212 lost: R = 93.2 - 0.024·40.594 - 95·1.2376/(1.2376+25.1).
	if math.Abs(mos-4.30) > 0.02 {
		t.Errorf("MOS %v, want 4.30", mos)
	}
	if q, ok := parseQuality([]string{"no statistics"}); ok {
		t.Errorf("got %+v from nothing", q)
	}
	// Nothing was received: no opinion either.
	if q, ok := parseQuality(strings.Split(strings.ReplaceAll(qualityRecording, "total 1.2K", "total 0"), "\n")); !ok || q.MOS != 0 {
		t.Errorf("MOS %v of nothing, want 0", q.MOS)
	}
}

func TestEstimateMOS(t *testing.T) {
	// 4.41 is what G.107 gives for its default values, R = 93.2.
	if m := EstimateMOS("PCMU", 0, 0, 0); math.Abs(m-4.40) > 0.02 {
		t.Errorf("at its best %v, want 4.40", m)
	}
	order := []float64{
		EstimateMOS("PCMU", 0, 20, 1), EstimateMOS("PCMU", 1, 20, 1), EstimateMOS("PCMU", 5, 20, 1), EstimateMOS("PCMU", 20, 20, 1),
		EstimateMOS("PCMU", 20, 600, 1), EstimateMOS("PCMU", 90, 2000, 200),
	}
	for i := 1; i < len(order); i++ {
		if order[i] > order[i-1] || order[i] < 1 {
			t.Errorf("MOS does not fall: %v", order)
		}
	}
	if EstimateMOS("gsm", 0, 0, 0) >= EstimateMOS("G729", 0, 0, 0) || EstimateMOS("G729", 0, 0, 0) >= EstimateMOS("opus", 0, 0, 0) {
		t.Error("the codecs' order is not that of their impairments")
	}
	if m := EstimateMOS("PCMU", math.NaN(), math.Inf(1), -1); m != 1 && !(m >= 1 && m <= 4.5) {
		t.Errorf("MOS of nonsense is %v", m)
	}
}

func TestJSONKeepsDurations(t *testing.T) {
	q := Quality{Codec: "opus", Duration: 1500 * time.Millisecond}
	call := Call{ID: 3, State: Disconnected, Duration: 2 * time.Second, Quality: &q}
	b, err := json.Marshal(call)
	if err != nil {
		t.Fatal(err)
	}
	var back Call
	if err := json.Unmarshal(b, &back); err != nil || back.Duration != call.Duration || back.Quality == nil || back.Quality.Duration != q.Duration || back.Quality.Codec != "opus" {
		t.Errorf("%s came back as %+v (%+v), %v", b, back, back.Quality, err)
	}
}

func FuzzParseQuality(f *testing.F) {
	f.Add(qualityRecording)
	f.Add("  [NULL] To: x\n    #0 audio a @9kHz, b, peer=\n RX \n total 9.9.9Mpkt \n")
	f.Fuzz(func(t *testing.T, text string) {
		q, _ := parseQuality(strings.Split(text, "\n"))
		if q.MOS != 0 && (q.MOS < 1 || q.MOS > 4.5) {
			t.Errorf("MOS %v", q.MOS)
		}
		if _, err := json.Marshal(q); err != nil {
			t.Error(err)
		}
	})
}
