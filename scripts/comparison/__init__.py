"""Ringlane beside other servers: what `scripts/compare`, `scripts/peers` and `scripts/bench-quick` are made of.

Arrows point down only:

  rounds      every load on every server in turn, checked, round after round
  workloads   the loads and the figures that each gives
  clients     h2load, `ringlane bench` and held connections, and what they say
  measure     what a process tree costs, from /proc
  peers       the other servers with their settings; trafficserver apart
  servers     one server on one core: started, asked, stopped

  render      tables and charts between marker comments, from the kept results alone
  tables, charts
  results     kept rounds as JSON; medians
  network     one congestion control for all
"""
