"""Faust (faust-streaming 0.15.3), fenced in: membership, assignment and fetching, and no more.

The only package that imports faust. Everything of value is outside, so that it can be replaced.
`tests/kafka/test_faust_host.py` ends with what Faust does where the host does not rely on it:

- **Commits are ours.** Faust acknowledges records that failed, and records that no agent has seen,
  namely those that it skips when the group changes (`streams.py` 1187, 1344); what is
  acknowledged is committed. So the topic is read with `acks=False`, which leaves Faust nothing to
  commit, and what a snapshot covers is committed, as a plain offset, with the aiokafka client of
  Faust's own consumer thread: to the group it is the member.
- **Positions are ours.** Faust seeks to the committed offsets after it has told of an assignment
  (`tables/recovery.py` 321), and whenever a fetch comes back while it is stopped
  (`transport/consumer.py` 772). `Reader.seek_to_committed` restores state and goes to where that
  ends instead, so that every seek of Faust's is the right one.
- **A seek takes.** After a seek Faust hands over what it had fetched before, and then drops what is
  read again, for its offsets are lower (`transport/consumer.py` 1209). So every fetched record
  bears the number of the seek that it follows, and others are dropped by the host.
- **No streams.** Conductor, stream and agent take each record by itself, a tenth of a millisecond
  each, as much as the operators. `Reader.getmany` hands a fetch to the host as a whole, and waits
  where there is no room; the agent only has the topic subscribed.
- **No stalls.** Faust waits 1.5 s in a fetch (`transport/drivers/aiokafka.py` 615); here it is
  50 ms.
- **No environment.** Faust prefers `BROKER_URL`, `WEB_ENABLED` and the like to what it is told
  (`types/settings/base.py` 161); it gets an empty environment.
- **No producer, no web server, no tables, no topics and no directories of its own.**

The rest is the host's (`processors.app`): a lock, since Faust takes partitions away while records
are worked off; errors that end `run`; and the watchdog, since a recovery that timed out or a
fetcher that died is silent.
"""
