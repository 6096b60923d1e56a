"use strict";

// Wilson's score interval of 95% for a share, as experiments/reporting/votes.py has it.
function wilson(wins, total, z) {
  if (total === 0) return null;
  const share = wins / total, spread = z * z / total;
  const middle = share + spread / 2;
  const width = z * Math.sqrt(share * (1 - share) / total + spread / (4 * total));
  return [Math.max(0, (middle - width) / (1 + spread)), Math.min(1, (middle + width) / (1 + spread))];
}

// Votes, as the rows of the CSV, to rows {criterion, method, other, wins, losses, same}.
function tally(votes, criteria) {
  const methods = [...new Set(votes.flatMap((vote) => [vote.left, vote.right]))].sort();
  const rows = [];
  for (const criterion of criteria) {
    for (let first = 0; first < methods.length; first++) {
      for (let second = first + 1; second < methods.length; second++) {
        const row = {criterion, method: methods[first], other: methods[second], wins: 0, losses: 0, same: 0};
        for (const vote of votes) {
          if (vote.criterion !== criterion) continue;
          if (![vote.left, vote.right].includes(row.method)) continue;
          if (![vote.left, vote.right].includes(row.other)) continue;
          if (vote.choice === "same") row.same++;
          else if (vote[vote.choice] === row.method) row.wins++;
          else row.losses++;
        }
        if (row.wins + row.losses + row.same) rows.push(row);
      }
    }
  }
  return rows;
}

// Rows of objects to CSV; a field with a comma, quote or line break is quoted.
function csv(rows, columns) {
  const field = (value) => /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  const lines = [columns, ...rows.map((row) => columns.map((name) => String(row[name])))];
  return lines.map((line) => line.map(field).join(",") + "\n").join("");
}
