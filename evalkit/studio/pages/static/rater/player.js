// One video or two: playing, what was watched, muted sound, and videos that can't be played.

import { make } from "./dom.js";
import { listed, share, union } from "./watched.js";

/** The videos of one item; only one thing on the page plays at a time. */
export class Players {
  /** place: element to fill; told: {progress, failed, playing} are called when something changes. */
  constructor(place, told) {
    this.place = place;
    this.told = told;
    this.videos = [];
    document.addEventListener("play", (event) => this.onlyOne(event.target), true);
  }

  /** Show the videos at these addresses; `sources` are the copies that are here, `names` their titles. */
  show(addresses, sources, names) {
    this.close();
    this.videos = addresses.map((address, index) => new Video(address, sources[index], names[index], this.told));
    this.place.replaceChildren(...this.videos.map((video) => video.figure));
    this.place.classList.toggle("two", addresses.length > 1);
  }

  close() {
    for (const video of this.videos) video.close();
    this.videos = [];
    this.place.replaceChildren();
  }

  onlyOne(playing) {
    for (const other of document.querySelectorAll("video, audio")) if (other !== playing) other.pause();
  }

  pause() {
    this.onlyOne(null);
  }

  /** Return the share of each video that was played. */
  watched() {
    return this.videos.map((video) => Math.round(video.share() * 10000) / 10000);
  }

  /** Return whether everything can be played to its end, or never will be. */
  loaded() {
    return this.videos.every(({ element, failed }) => failed || element.readyState === HTMLMediaElement.HAVE_ENOUGH_DATA);
  }

  muted() {
    return this.videos.some(({ element }) => element.muted || element.volume === 0);
  }

  failed() {
    return this.videos.filter((video) => video.failed);
  }

  /** Play or stop, by one key: what plays, else the first video that was not watched to `needed`, else the last one. */
  toggle(needed) {
    const running = this.videos.find(({ element }) => !element.paused);
    if (running) return running.element.pause();
    const rest = this.videos.find((video) => !video.failed && video.share() < needed);
    const begun = this.videos.find(({ element }) => element.currentTime > 0 && !element.ended);
    return (rest ?? begun ?? this.videos.at(-1))?.play();
  }

  /** Try again what failed, as after the connection came back. */
  retry() {
    for (const video of this.failed()) video.retry();
  }
}

class Video {
  constructor(address, source, name, told) {
    this.address = address;
    this.name = name;
    this.told = told;
    this.ranges = [];
    this.failed = false;
    this.element = make("video", {
      src: source,
      controls: true,
      playsinline: true,
      preload: "auto",
      controlslist: "nodownload noplaybackrate noremoteplayback",
      disablepictureinpicture: true,
      "aria-label": name,
    });
    this.button = make("button", { type: "button", class: "play" });
    this.meter = make("span", { class: "meter", "aria-hidden": "true" });
    this.caption = make("figcaption", {}, make("b", {}, name), this.meter, this.button);
    this.figure = make("figure", { class: "video" }, this.element, this.caption);
    this.button.addEventListener("click", () => (this.element.paused ? this.play() : this.element.pause()));
    this.listen();
  }

  listen() {
    const video = this.element;
    for (const event of ["timeupdate", "pause", "ended", "seeking"]) {
      video.addEventListener(event, () => this.played());
    }
    for (const event of ["play", "pause", "ended"]) video.addEventListener(event, () => this.told.playing(this));
    for (const event of ["volumechange", "durationchange"]) video.addEventListener(event, () => this.told.progress());
    video.addEventListener("error", () => this.fail());
    video.addEventListener("canplaythrough", () => this.told.loaded());
    video.addEventListener("loadeddata", () => {
      this.failed = false;
      this.told.failed();
    });
    video.addEventListener("ratechange", () => {
      if (video.playbackRate !== 1) video.playbackRate = 1; // a faster one would be less than watching it
    });
  }

  played() {
    this.ranges = union([...this.ranges, ...listed(this.element.played)]);
    this.told.progress();
  }

  share() {
    return share(this.ranges, this.element.duration);
  }

  play() {
    if (this.failed) return;
    this.element.play().catch((error) => {
      if (error.name === "NotSupportedError") this.fail();
    });
  }

  fail() {
    this.failed = true;
    this.told.failed();
  }

  retry() {
    this.failed = false;
    this.element.src = this.address; // not the copy: it may be what is broken
    this.element.load();
    this.told.failed();
  }

  close() {
    this.element.pause();
    this.element.removeAttribute("src");
    this.element.load();
  }
}
