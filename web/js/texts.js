/** Every text of the strips, in the languages of `locales`. Words in braces are filled in by `say`. */

import { app } from "/scripts/app.js";

export const LANGUAGES = ["en", "zh", "ja", "ko"];
/** @type {Record<string, string[]>} */
export const TEXTS = {
  steps: ["steps {first} to {last} of {count}{end}: {calls}, sigma {high} to {low}",
    "第 {first} 到 {last} 步{end}，共 {count} 步：{calls}，sigma {high} 到 {low}",
    "全 {count} ステップ中 {first} から {last}{end}：{calls}、sigma {high} から {low}",
    "{count}스텝 중 {first}~{last}{end}: {calls}, sigma {high}~{low}"],
  calls: ["{number} extra call{s}", "多计算 {number} 次", "追加の計算 {number} 回", "추가 계산 {number}회"],
  atLeast: ["at least {calls}", "至少{calls}", "少なくとも{calls}", "최소 {calls}"],
  guess: ["a guess until it has run: ", "运行之前为估计：", "実行するまでは推定：", "실행 전까지는 추정: "],
  end: [", to the end", "（直到最后）", "（最後まで）", "(끝까지)"],
  last: ["to the end", "直到最后", "最後まで", "끝까지"],
  step: ["step {step}", "第 {step} 步", "ステップ {step}", "스텝 {step}"],
  empty: ["none of the {count} steps lies inside", "{count} 步都不在区间内",
    "{count} ステップのどれも範囲内にありません", "{count}스텝 중 구간에 든 것이 없습니다"],
  wired: ["wired in: its steps show after a run", "已连线：运行后显示对应的步",
    "接続済み：実行後にステップを表示します", "연결됨: 실행한 뒤 스텝이 표시됩니다"],
  unrun: ["sigma {high} to {low}: its steps show after a run", "sigma {high} 到 {low}：运行后显示对应的步",
    "sigma {high} から {low}：実行後にステップを表示します", "sigma {high}~{low}: 실행한 뒤 스텝이 표시됩니다"],
  inside: ["{inside} of the last run's {count} evaluations lie inside", "上次运行的 {count} 次计算中有 {inside} 次在区间内",
    "前回の計算 {count} 回のうち {inside} 回が範囲内", "지난 실행의 계산 {count}회 중 {inside}회가 구간 안에 있습니다"],
  acted: ["acted on {acted} of {count}: sigma {high} to {low}", "{count} 次计算中有 {acted} 次生效：sigma {high} 到 {low}",
    "計算 {count} 回のうち {acted} 回で有効：sigma {high} から {low}", "계산 {count}회 중 {acted}회 작동: sigma {high}~{low}"],
  skipped: [", {skipped} skipped", "，跳过 {skipped} 次", "、{skipped} 回は対象外", ", {skipped}회 건너뜀"],
  strips: ["Draw the window of SAG nodes as a curve to drag (after a reload)", "把 SAG 节点的区间画成可拖动的曲线（重新加载后生效）",
    "SAG ノードの範囲をドラッグできる曲線で描く（再読み込み後）", "SAG 노드의 구간을 끌 수 있는 곡선으로 그리기(다시 불러온 뒤)"],
  folded: ["Fold the curve away on SAG delayed activation", "在 SAG 延迟激活节点上折叠曲线",
    "SAG 遅延有効化では曲線を折りたたむ", "SAG 지연 활성화에서 곡선 접어 두기"],
};

/** The page's language where there are texts in it, else English. */
export const language = () => Math.max(0, LANGUAGES.indexOf(app.extensionManager?.setting?.get("Comfy.Locale") ?? ""));

/** @param {string} key */
export const say = (key, words = {}) => TEXTS[key][language()].replace(/{(\w+)}/g, (_, word) => words[word]);
