"""What hurts: drains that have to wait, beside ``kubectl drain`` in the same cluster and in the same run.

kubectl_schedule   when kubectl asks and looks; pure
scenes             what a drain waits for: a budget, a pod, a webhook
virtual            both tools in virtual time, kubectl by its schedule
real               both tools in real time, kubectl itself; it checks the schedule
graces, outages, histories   what a drain keeps at its deadline, in an outage, in 48 hours
measurement        all of it in one run
judgement          the targets, and the rows of the page
"""
