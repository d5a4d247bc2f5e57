# SPDX-License-Identifier: Apache-2.0
export HOME=/tmp GIT_AUTHOR_NAME=lab GIT_AUTHOR_EMAIL=lab@localhost GIT_COMMITTER_NAME=lab GIT_COMMITTER_EMAIL=lab@localhost
git init -q -b main /tmp/one
cd /tmp/one
for n in 1 2 3; do
    seq "$n"00 >"file$n"
    git add .
    git commit -q -m "change $n"
done
git switch -q -c side HEAD~1
echo side >side
git add side
git commit -q -m side
git switch -q main
git merge -q -m merged side
git clone -q --no-local /tmp/one /tmp/two
cd /tmp/two
[ "$(git log --oneline | wc -l)" = 5 ]
echo more >>file1
git commit -q -a -m more
git push -q origin HEAD:refs/heads/more
cd /tmp/one
git gc -q
git fsck --strict
git diff --stat main more | grep -q file1
git archive main | tar -tf - | grep -qx side
