#!/usr/bin/env python3
"""A small SIP bot with PJSIP's pjsua2: it answers every call, plays a WAV file
or a tone to the caller and records what the caller says.

All settings come from the environment:

    BOT_SIP_ID, BOT_SIP_REGISTRAR    account, such as sip:bot@example.com and
                                     sip:example.com; without them it registers
                                     nowhere and answers whoever calls its address
    BOT_SIP_USERNAME, BOT_SIP_PASSWORD_FILE
                                     login for the registrar
    BOT_SIP_PORT (5060), BOT_RTP_PORT (4000)
    BOT_PLAY                         WAV file (16 bit, mono) to play over and over
    BOT_TONE (660)                   tone in Hz to play without such a file
    BOT_RECORDINGS (/tmp)            directory for call-N.wav, N from 1
    BOT_AUDIO (device)               device: the sound device, if it works
                                     null: none
    BOT_LOG_LEVEL (3)                PJSIP's, 0 to 6

SIGTERM and SIGINT hang up, unregister and end it.
"""

import logging
import os
import signal
import sys
import time

import pjsua2 as pj

log = logging.getLogger("bot")

RATE = 16000  # Hz, as nullcard's devices have it: nothing is resampled on the way
# nullcard gives an app 2 s to end after SIGTERM.
FAREWELL = 1.5  # s


class Log(pj.LogWriter):
    """PJSIP's log, among the bot's own lines: PJSIP by itself writes in blocks
    of 4 KiB when its output is not a terminal."""

    def write(self, entry):
        logging.getLogger("pjsip").info(entry.msg.rstrip())


class Bot:
    """The endpoint with its account, its sound and its calls."""

    def __init__(self, env):
        self.env = env
        self.calls = {}  # by PJSIP's number; a call that nobody holds is gone
        self.count = 0
        self.stopping = False

        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        # All callbacks come from libHandleEvents in the main thread, which is
        # the only way to have no trouble with Python's threads and signals.
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.logConfig.level = config.logConfig.consoleLevel = int(env.get("BOT_LOG_LEVEL", "3"))
        config.logConfig.decor = pj.PJ_LOG_HAS_SENDER | pj.PJ_LOG_HAS_INDENT
        config.logConfig.writer = Log().__disown__()  # the library frees it
        config.medConfig.clockRate = RATE
        config.medConfig.sndClockRate = RATE
        # A virtual device has no echo: the canceller would only eat speech.
        config.medConfig.ecTailLen = 0
        config.medConfig.noVad = True
        # Keep the device open between calls, so that its loss shows at once.
        config.medConfig.sndAutoCloseTime = -1
        self.endpoint.libInit(config)

        transport = pj.TransportConfig()
        transport.port = int(env.get("BOT_SIP_PORT", "5060"))
        self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self.endpoint.libStart()

        self.open_sound()
        self.tone = self.make_tone()
        self.account = Account(self)
        log.info("ready for calls")

    def open_sound(self):
        """Opens the sound device, or the null device in its place.

        A bot that plays files and records needs no sound device, only a clock:
        that is what the null device is. So nothing here may stop the bot."""
        devices = self.endpoint.audDevManager()
        for i in range(devices.getDevCount()):
            info = devices.getDevInfo(i)
            log.info("audio device %d: %s (%s, %d in, %d out)",
                     i, info.name, info.driver, info.inputCount, info.outputCount)
        if devices.getDevCount() == 0:
            log.info("no audio device")
        if self.env.get("BOT_AUDIO", "device") != "null":
            try:
                # Opens the default device, both ways, now and not when the first
                # call comes, which would then fail.
                devices.setSndDevMode(0)
                log.info("sound: the default device")
                return
            except pj.Error as e:
                log.warning("cannot open the sound device: %s; going on without: start me under nullcard to have one", e.reason)
        try:
            devices.setNullDev()
            log.info("sound: the null device")
        except pj.Error as e:
            log.error("cannot set the null device either: %s; calls will be silent", e.reason)

    def make_tone(self):
        tone = pj.ToneGenerator()
        tone.createToneGenerator(RATE, 1)
        desc = pj.ToneDesc()
        desc.freq1 = int(self.env.get("BOT_TONE", "660"))
        desc.on_msec, desc.off_msec = 1000, 0
        tones = pj.ToneDescVector()
        tones.append(desc)
        tone.play(tones, True)
        return tone

    def run(self):
        while not self.stopping:
            self.endpoint.libHandleEvents(50)

    def stop(self, signum, _frame):
        log.info("%s: ending", signal.Signals(signum).name)
        self.stopping = True

    def close(self):
        """Hangs up, unregisters and takes PJSIP down, in at most FAREWELL."""
        self.endpoint.hangupAllCalls()
        self.account.leave()
        deadline = time.monotonic() + FAREWELL
        while True:
            self.endpoint.libHandleEvents(20)
            if not self.calls and not self.account.registered or time.monotonic() > deadline:
                break
        # PJSIP's objects must go before its library, and in this order.
        self.calls.clear()
        self.account = self.tone = None
        # What there was to say has been said: without this flag, PJSIP would
        # wait another second for the network.
        self.endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
        log.info("ended")


class Account(pj.Account):
    def __init__(self, bot):
        super().__init__()
        self.bot = bot
        self.registered = False
        env = bot.env
        config = pj.AccountConfig()
        config.idUri = env.get("BOT_SIP_ID", "sip:bot@localhost")
        config.regConfig.registrarUri = env.get("BOT_SIP_REGISTRAR", "")
        if "BOT_SIP_USERNAME" in env:
            # From a file, for the environment of a process is no place for secrets.
            with open(env["BOT_SIP_PASSWORD_FILE"], encoding="utf-8") as f:
                password = f.read().rstrip("\r\n")
            config.sipConfig.authCreds.append(
                pj.AuthCredInfo("digest", "*", env["BOT_SIP_USERNAME"], 0, password))
        config.mediaConfig.transportConfig.port = int(env.get("BOT_RTP_PORT", "4000"))
        self.create(config)

    def leave(self):
        if self.registered:
            self.setRegistration(False)

    # pj.Account's callbacks.

    def onRegState(self, prm):
        self.registered = prm.code == 200 and prm.expiration > 0
        log.info("registration: %d %s, for %d s", prm.code, prm.reason, max(prm.expiration, 0))

    def onIncomingCall(self, prm):
        call = Call(self, prm.callId)
        self.bot.calls[prm.callId] = call
        answer = pj.CallOpParam()
        answer.statusCode = pj.PJSIP_SC_OK
        call.answer(answer)


class Call(pj.Call):
    def __init__(self, account, call_id):
        super().__init__(account, call_id)
        self.bot = account.bot
        self.bot.count += 1
        self.number = self.bot.count
        self.player = self.recorder = None

    # pj.Call's callbacks. An exception here must not reach PJSIP.

    def onCallState(self, _prm):
        info = self.getInfo()
        log.info("call %d, %s: %s", self.number, info.remoteUri, info.stateText)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            # With the call goes its recorder, which completes the WAV file.
            self.bot.calls.pop(info.id, None)

    def onCallMediaState(self, _prm):
        try:
            caller = self.getAudioMedia(-1)
            self.source().startTransmit(caller)
            self.record(caller)
        except pj.Error as e:
            log.error("call %d has no audio: %s", self.number, e.reason)
            return
        self.attach(caller)

    def source(self):
        """What the caller hears."""
        path = self.bot.env.get("BOT_PLAY")
        if path and not self.player:
            player = pj.AudioMediaPlayer()
            try:
                player.createPlayer(path)  # repeats the file
                self.player = player
            except pj.Error as e:
                log.warning("cannot play %s: %s; playing a tone", path, e.reason)
        return self.player or self.bot.tone

    def record(self, caller):
        if self.recorder:  # media comes again after a re-INVITE
            return
        path = os.path.join(self.bot.env.get("BOT_RECORDINGS", "/tmp"), f"call-{self.number}.wav")
        recorder = pj.AudioMediaRecorder()
        try:
            recorder.createRecorder(path)
        except pj.Error as e:
            log.warning("cannot record to %s: %s", path, e.reason)
            return
        self.recorder = recorder
        caller.startTransmit(recorder)
        log.info("call %d: recording to %s", self.number, path)

    def attach(self, caller):
        """Joins the call to the sound device as well: `nullcard record` hears
        the caller there, and what `nullcard play` feeds is heard by the caller.
        A bot that only works with files can leave this out."""
        devices = self.bot.endpoint.audDevManager()
        try:
            caller.startTransmit(devices.getPlaybackDevMedia())
            devices.getCaptureDevMedia().startTransmit(caller)
        except pj.Error as e:
            log.warning("call %d is not heard at the sound device: %s", self.number, e.reason)


def main():
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
    bot = Bot(os.environ)
    signal.signal(signal.SIGTERM, bot.stop)
    signal.signal(signal.SIGINT, bot.stop)
    bot.run()
    bot.close()


if __name__ == "__main__":
    main()
